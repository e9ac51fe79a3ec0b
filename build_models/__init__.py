import os

# Read when torch loads. Its threads would spin while they wait for each other: where other processes want the same
# cores, a text by int8 then took 300 ms instead of 10.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
