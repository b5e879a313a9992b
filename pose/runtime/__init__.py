"""Infrastructure: errors, files, devices, several processes, data loading. Nothing specific to pose."""

VERSION = "0.2.0"
