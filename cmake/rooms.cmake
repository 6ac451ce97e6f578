# The house: one OBJECT library per room, in the order in which data flows. A room is compiled with an include folder of its own,
# rooms/<room>/, which holds links to its own folder, to the rooms above it and to their public headers, and to nothing else: an include
# from below does not compile.
#
# A row: the room's name, then the names of its public headers in include/bilens/ (without .h).
set(BILENS_HOUSE
  "base base"
  "linear blas"
  "format format"
  "hub hub"
  "text text tokenizer_train"
  "model model generate_model predict"
  "decompose surrogate bilinear basis direction eigen decompose hosvd diff pairs head dictionary"
  "subject image subject"
  "scan scan excite neighbours"
  "evidence image_evidence ablate explain layers truncate chance features dictionary_eval"
  "train train image_train study dictionary_train"
  "result tree image_result result evidence feature_result neighbour_result"
  "atlas atlas"
  "report image_report report"
  "serve serve")

# bilens_room_links(FOLDER ROOMS… HEADERS…): makes FOLDER hold exactly these links.
function(bilens_room_links folder rooms headers)
  file(REMOVE_RECURSE ${folder})
  file(MAKE_DIRECTORY ${folder}/bilens)
  foreach(room IN LISTS rooms)
    file(CREATE_LINK ${PROJECT_SOURCE_DIR}/src/${room} ${folder}/${room} SYMBOLIC)
  endforeach()
  foreach(header IN LISTS headers)
    file(CREATE_LINK ${PROJECT_SOURCE_DIR}/include/bilens/${header}.h ${folder}/bilens/${header}.h SYMBOLIC)
  endforeach()
endfunction()

set(rooms "")
set(headers "")
set(BILENS_OBJECTS "")
foreach(row IN LISTS BILENS_HOUSE)
  separate_arguments(row)
  list(POP_FRONT row room)
  list(APPEND rooms ${room})
  list(APPEND headers ${row})
  set(folder ${PROJECT_BINARY_DIR}/rooms/${room})
  bilens_room_links(${folder} "${rooms}" "${headers}")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${room}/*.c)
  if(sources)
    add_library(bilens_${room} OBJECT ${sources} ${BILENS_EMBEDDED_${room}})
    target_include_directories(bilens_${room} PRIVATE ${folder})
    target_link_libraries(bilens_${room} PRIVATE bilens_flags ${BILENS_LIBRARIES})
    list(APPEND BILENS_OBJECTS $<TARGET_OBJECTS:bilens_${room}>)
  endif()
endforeach()
# The command line sees what any other program sees, and base/.
list(APPEND headers bilens)
bilens_room_links(${PROJECT_BINARY_DIR}/rooms/cli "base;cli" "${headers}")

# Products and sums may be fused into one rounding in these files (ISO C forbids it by default): it is faster and no less exact, and the
# tests hold every kernel against its plain twin, and gradients against finite differences and PyTorch.
file(GLOB fused CONFIGURE_DEPENDS src/train/*.c)
list(APPEND fused src/evidence/effect.c)
foreach(name attend_plain attention gate noise norm peak product tridiagonal)
  list(APPEND fused src/linear/${name}.c)
endforeach()
set_source_files_properties(${fused} PROPERTIES COMPILE_OPTIONS -ffp-contract=fast)
# The kernels of the folded scan: one source for several processors, chosen at run time, so that a portable program is fast, too.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  set_source_files_properties(src/linear/attend_avx2.c PROPERTIES COMPILE_OPTIONS "-ffp-contract=fast;-mavx2;-mfma")
  set_source_files_properties(src/linear/attend_avx512.c PROPERTIES
    COMPILE_OPTIONS "-ffp-contract=fast;-mfma;-mavx512f;-mavx512vl;-mavx512dq;-mavx512bw;-mprefer-vector-width=512")
  check_c_compiler_flag(-mavx512bf16 BILENS_HAS_BF16)
  if(BILENS_HAS_BF16)
    set_source_files_properties(src/linear/product16.c PROPERTIES
      COMPILE_OPTIONS "-ffp-contract=fast;-mfma;-mavx512f;-mavx512vl;-mavx512bw;-mavx512bf16")
  endif()
endif()
if(MPI_C_FOUND)
  set_source_files_properties(src/base/ranks.c PROPERTIES COMPILE_DEFINITIONS BILENS_MPI)
endif()
