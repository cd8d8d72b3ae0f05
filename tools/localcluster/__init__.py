"""A real Kubernetes on a machine without Docker: upstream's binaries, containerd, runc, one node, no VM."""
