"""Infrastructure: errors, files, devices, several processes, data loading. No landmarks in it."""

VERSION = "0.2.0"
