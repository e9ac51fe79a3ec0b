import os

# Read when torch loads. Its threads would spin while they wait for each other: where other processes want the same
# cores, a text by int8 then took 300 ms instead of 10.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
# Of a CPU's compiled kernels, one for each shape that it multiplies; with 1,024 a training makes many of them again.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "8192")
