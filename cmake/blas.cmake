# Which BLAS: bilens_blas, an interface target with what programs need to call CBLAS.
#
# OpenBLAS built for OpenMP is the one wanted: it shares its threads with the library's own parallel loops. Debian keeps it in a folder
# of its own, and the names outside (libopenblas.so, openblas.pc) may lead to another build; so that folder is looked at first, by name,
# and stays in the run path. -DBILENS_BLAS=… takes any other CBLAS: a pkg-config module (blis) or a library file (/opt/x/libblas.so).
set(BILENS_BLAS "" CACHE STRING "CBLAS to link: a pkg-config module or a library file; empty = OpenBLAS for OpenMP")
add_library(bilens_blas INTERFACE)
set(BILENS_BLAS_LIBS "") # for bilens.pc: linker words …
set(BILENS_BLAS_MODULE "") # … or a pkg-config module

if(BILENS_BLAS MATCHES "/")
  target_link_libraries(bilens_blas INTERFACE ${BILENS_BLAS})
  set(BILENS_BLAS_LIBS ${BILENS_BLAS})
elseif(BILENS_BLAS)
  pkg_check_modules(BLAS REQUIRED IMPORTED_TARGET ${BILENS_BLAS})
  target_link_libraries(bilens_blas INTERFACE PkgConfig::BLAS)
  set(BILENS_BLAS_MODULE ${BILENS_BLAS})
else()
  set(folder ${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp)
  find_library(BILENS_OPENBLAS openblas PATHS /usr/lib/${folder} NO_DEFAULT_PATH)
  find_path(BILENS_OPENBLAS_INCLUDE cblas.h PATHS /usr/include/${folder} NO_DEFAULT_PATH)
  mark_as_advanced(BILENS_OPENBLAS BILENS_OPENBLAS_INCLUDE)
  if(BILENS_OPENBLAS AND BILENS_OPENBLAS_INCLUDE)
    target_link_libraries(bilens_blas INTERFACE ${BILENS_OPENBLAS})
    target_include_directories(bilens_blas SYSTEM INTERFACE ${BILENS_OPENBLAS_INCLUDE})
    cmake_path(GET BILENS_OPENBLAS PARENT_PATH folder)
    set(BILENS_BLAS_LIBS "-L${folder} -Wl,-rpath,${folder} -lopenblas")
  else()
    message(STATUS "BLAS: no OpenBLAS for OpenMP (Debian: libopenblas-openmp-dev); taking whatever pkg-config calls openblas")
    pkg_check_modules(BLAS REQUIRED IMPORTED_TARGET openblas)
    target_link_libraries(bilens_blas INTERFACE PkgConfig::BLAS)
    set(BILENS_BLAS_MODULE openblas)
  endif()
endif()
