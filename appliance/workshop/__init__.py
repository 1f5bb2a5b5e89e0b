"""The operator's tools: datasets → training → evaluation → publishing.

The daemon never imports this package. Its subpackages need libraries that only operators install, so each subpackage is
imported on use.
"""
