# make install: headers, libbilens.so and .a, bilens.pc, bilensConfig.cmake, the program.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/bilens DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(TARGETS bilens_shared EXPORT bilens LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS bilens_static ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET bilens)
  install(TARGETS bilens RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

# bilens.pc finds its prefix from where it lies, so that an installed tree can be moved.
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR} OR IS_ABSOLUTE ${CMAKE_INSTALL_INCLUDEDIR})
  message(FATAL_ERROR "CMAKE_INSTALL_LIBDIR and CMAKE_INSTALL_INCLUDEDIR must be relative to the prefix")
endif()
file(RELATIVE_PATH BILENS_PC_TO_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" BILENS_PC_TO_PREFIX ${BILENS_PC_TO_PREFIX})
string(JOIN ", " BILENS_PC_MODULES lapacke ${BILENS_BLAS_MODULE} jansson libutf8proc libpcre2-8 libzstd cairo zlib sqlite3)
# By name, because their own .pc files want all that they were built with.
string(JOIN " " BILENS_SERVE_LIBS ${MICROHTTPD_LDFLAGS})
string(JOIN " " BILENS_HUB_LIBS ${CURL_LDFLAGS} ${CRYPTO_LDFLAGS})
set(BILENS_MPI_LIBS "")
if(MPI_C_FOUND)
  string(JOIN " " BILENS_MPI_LIBS ${MPI_C_LIBRARIES})
endif()
configure_file(${PROJECT_SOURCE_DIR}/cmake/bilens.pc.in ${PROJECT_BINARY_DIR}/bilens.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/bilens.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# find_package(bilens) gives the target bilens::bilens, the shared library.
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/bilens)
set_target_properties(bilens_shared PROPERTIES EXPORT_NAME bilens)
install(EXPORT bilens FILE bilensConfig.cmake NAMESPACE bilens:: DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/bilensConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/bilensConfigVersion.cmake DESTINATION ${package})

# The embedded default: commands without MODEL or --corpus look for it here (src/cli/common.c).
install(DIRECTORY ${PROJECT_SOURCE_DIR}/data/stories-1-256 DESTINATION ${CMAKE_INSTALL_DATADIR}/bilens)
install(FILES ${PROJECT_SOURCE_DIR}/data/stories.txt ${PROJECT_SOURCE_DIR}/data/README.md DESTINATION ${CMAKE_INSTALL_DATADIR}/bilens)

include(cmake/man.cmake)
