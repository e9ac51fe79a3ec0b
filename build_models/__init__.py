import os

# Read when torch loads. By default its threads busy-wait: with other processes on the same cores, one text took int8
# 300 ms instead of 10.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
# oneDNN compiles one kernel per shape. With its default of 1,024 entries, training recompiles many of them.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "8192")
