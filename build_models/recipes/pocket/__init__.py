"""The smallest variant: fewer pieces, a smaller student of the same kind, taught in two steps, stored in few bits.

May import what recipes may.
"""
