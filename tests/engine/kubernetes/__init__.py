"""The lab's Kubernetes plugin under the official engine and SDK, against a real API server."""
