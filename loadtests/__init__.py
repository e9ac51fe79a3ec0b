"""Load tests of a running service over HTTP. They import neither the service nor the build."""
