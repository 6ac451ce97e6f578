# memory/allocation: the library's own objects with their allocator wrapped, so that the Nth allocation fails. LAPACKE's archive is taken
# where there is one, so that its work arrays are among the allocations.
add_executable(test_allocation ${CMAKE_CURRENT_SOURCE_DIR}/memory/allocation.c ${CMAKE_CURRENT_SOURCE_DIR}/memory/failing.c
  ${CMAKE_CURRENT_SOURCE_DIR}/memory/tiny_model.c ${BILENS_OBJECTS})
find_library(BILENS_LAPACKE_ARCHIVE liblapacke.a)
mark_as_advanced(BILENS_LAPACKE_ARCHIVE)
if(BILENS_LAPACKE_ARCHIVE)
  target_link_libraries(test_allocation PRIVATE ${BILENS_LAPACKE_ARCHIVE})
endif()
target_link_libraries(test_allocation PRIVATE bilens_flags ${BILENS_LIBRARIES} PkgConfig::CMOCKA)
target_link_options(test_allocation PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc,--wrap=free)
target_compile_definitions(test_allocation PRIVATE TEST_DATA="${CMAKE_CURRENT_SOURCE_DIR}/data" SHARED="${SHARED}")
target_include_directories(test_allocation PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
set_target_properties(test_allocation PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
bilens_test(memory/test_allocation ${CMAKE_CURRENT_SOURCE_DIR}/memory/allocation.c ${TEST_LAUNCHER} $<TARGET_FILE:test_allocation>)
