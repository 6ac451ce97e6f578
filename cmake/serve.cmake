# The explorer (src/serve) is served by libmicrohttpd; without it absent.c stands for what serves and says so when it is asked. Its page, all
# files of web/, is embedded in any case: a static site is written with it, too.
option(BILENS_SERVE "The explorer's web server, where libmicrohttpd is found" ON)
if(BILENS_SERVE)
  pkg_check_modules(MICROHTTPD IMPORTED_TARGET libmicrohttpd>=0.9.73)
endif()
file(GLOB BILENS_SERVE_SOURCES CONFIGURE_DEPENDS src/serve/*.c)
set(BILENS_SERVE_LIBS "") # for bilens.pc: by name, because its own .pc wants all that GnuTLS was built with
if(BILENS_SERVE AND MICROHTTPD_FOUND)
  list(FILTER BILENS_SERVE_SOURCES EXCLUDE REGEX "/absent\\.c$")
  list(APPEND BILENS_LIBRARIES PkgConfig::MICROHTTPD)
  string(JOIN " " BILENS_SERVE_LIBS ${MICROHTTPD_LDFLAGS})
else()
  message(STATUS "libmicrohttpd: not found or not wanted (Debian: libmicrohttpd-dev); bilens serve will say so")
  list(FILTER BILENS_SERVE_SOURCES EXCLUDE REGEX "/(http|exchange)\\.c$")
endif()
list(APPEND BILENS_SOURCES ${BILENS_SERVE_SOURCES})
