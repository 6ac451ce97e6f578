# The kernels of the folded scan: one source for several processors, chosen at run time (src/scan/attend.c), so that a portable program is fast, too.
# Products and sums may be fused into one rounding, as in the train room; tests hold every kernel against the plain way.
set(scan_any -ffp-contract=fast)
set_source_files_properties(src/scan/attend_plain.c PROPERTIES COMPILE_OPTIONS "${scan_any}")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  set_source_files_properties(src/scan/attend_avx2.c PROPERTIES COMPILE_OPTIONS "${scan_any};-mavx2;-mfma")
  set_source_files_properties(src/scan/attend_avx512.c PROPERTIES
    COMPILE_OPTIONS "${scan_any};-mfma;-mavx512f;-mavx512vl;-mavx512dq;-mavx512bw;-mprefer-vector-width=512")
endif()
