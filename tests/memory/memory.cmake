# test_allocation: the static library with its allocator wrapped, so that the Nth allocation fails.
