# The train room's own needs. Products and sums may be fused into one rounding there (ISO C forbids it by default): it is faster and no less
# exact, and the tests hold gradients against finite differences and PyTorch.
file(GLOB train_sources CONFIGURE_DEPENDS src/train/*.c)
set_source_files_properties(${train_sources} PROPERTIES COMPILE_OPTIONS -ffp-contract=fast)

# Training on several ranks (src/train/ranks.c) needs an MPI; without one the same code stands alone and says so when it is asked to join.
option(BILENS_MPI "Train on several ranks, where an MPI is found" ON)
if(BILENS_MPI)
  find_package(MPI QUIET COMPONENTS C)
  if(MPI_C_FOUND)
    list(APPEND BILENS_LIBRARIES MPI::MPI_C)
    set_source_files_properties(src/train/ranks.c PROPERTIES COMPILE_DEFINITIONS BILENS_MPI)
  else()
    message(STATUS "MPI: none found (Debian: libopenmpi-dev); bilens train runs on one machine only")
  endif()
endif()
