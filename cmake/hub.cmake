# The hub (src/format/hub): names and the cache always; fetching where libcurl and OpenSSL's libcrypto are found. Without them absent.c
# stands for the network and says so when it is asked.
option(BILENS_HUB "Fetching from the Hugging Face hub, where libcurl and libcrypto are found" ON)
if(BILENS_HUB)
  pkg_check_modules(CURL IMPORTED_TARGET libcurl>=7.85)
  pkg_check_modules(CRYPTO IMPORTED_TARGET libcrypto)
endif()
file(GLOB BILENS_HUB_SOURCES CONFIGURE_DEPENDS src/format/hub/*.c)
set(BILENS_HUB_LIBS "") # for bilens.pc: by name, because libcurl's own .pc wants all that it was built with
if(BILENS_HUB AND CURL_FOUND AND CRYPTO_FOUND)
  list(FILTER BILENS_HUB_SOURCES EXCLUDE REGEX "/absent\\.c$")
  list(APPEND BILENS_LIBRARIES PkgConfig::CURL PkgConfig::CRYPTO)
  string(JOIN " " BILENS_HUB_LIBS ${CURL_LDFLAGS} ${CRYPTO_LDFLAGS})
else()
  message(STATUS "Hub: libcurl and libcrypto not found or not wanted (Debian: libcurl4-openssl-dev libssl-dev); bilens fetch will say so")
  list(FILTER BILENS_HUB_SOURCES EXCLUDE REGEX "/(http|refusal|digest|download|online)\\.c$")
endif()
list(APPEND BILENS_SOURCES ${BILENS_HUB_SOURCES})
