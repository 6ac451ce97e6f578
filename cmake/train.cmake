# The train room's own needs. Products and sums may be fused into one rounding there (ISO C forbids it by default): it is faster and no less
# exact, and the tests hold gradients against finite differences and PyTorch.
file(GLOB train_sources CONFIGURE_DEPENDS src/train/*.c)
set_source_files_properties(${train_sources} PROPERTIES COMPILE_OPTIONS -ffp-contract=fast)
