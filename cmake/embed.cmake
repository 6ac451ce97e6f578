# Turns text files into a C file of byte arrays, so that the library carries them:
#
#   bilens_embed(page.c page.html page.css)   ->   const char bl_page_html[], bl_page_css[] (NUL-terminated) in ${CMAKE_BINARY_DIR}/embedded/page.c
#
# The file is also the script that does it at build time (cmake -P).
if(CMAKE_SCRIPT_MODE_FILE)
  set(text "/* Made by cmake/embed.cmake. */\n")
  string(REPLACE "|" ";" FILES "${FILES}")
  foreach(file IN LISTS FILES)
    get_filename_component(name "${file}" NAME)
    string(MAKE_C_IDENTIFIER "bl_${name}" identifier)
    file(READ "${file}" bytes HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
    string(APPEND text "extern const unsigned char ${identifier}[];\nconst unsigned char ${identifier}[] = {\n${bytes}0};\n")
  endforeach()
  file(WRITE "${OUTPUT}" "${text}")
  return()
endif()

set(BILENS_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

# Appends the generated file to BILENS_EMBEDDED.
function(bilens_embed output)
  set(made ${CMAKE_BINARY_DIR}/embedded/${output})
  list(TRANSFORM ARGN PREPEND ${PROJECT_SOURCE_DIR}/ OUTPUT_VARIABLE files)
  string(REPLACE ";" "|" list "${files}")
  add_custom_command(OUTPUT ${made} DEPENDS ${files} ${BILENS_EMBED_SCRIPT} VERBATIM COMMENT "Embedding ${output}"
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${made} "-DFILES=${list}" -P ${BILENS_EMBED_SCRIPT})
  set(BILENS_EMBEDDED ${BILENS_EMBEDDED} ${made} PARENT_SCOPE)
endfunction()
