"""What the machine asks for: errors, files, devices, several processes, loading. No pose in it."""

VERSION = "0.2.0"
