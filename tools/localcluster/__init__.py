"""Kubernetes on a machine without Docker: upstream's binaries, containerd and runc, one node, no virtual machine."""
