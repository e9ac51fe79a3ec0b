"""Load tests of a running service, over HTTP alone: they import nothing of the service or of the build."""
