"""The daemon: process, service, labeling pipeline, model switch, commands, status."""
