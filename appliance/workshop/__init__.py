"""The operator's side: datasets → training → evaluation → publishing.

The daemon never imports it. Its parts need packages that only operators install, so each is imported on use.
"""
