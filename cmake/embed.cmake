# Turns text files into a C file of byte arrays, so that the library carries them:
#
#   bilens_embed(report page.c page.html page.css)   ->   const char bl_page_html[], bl_page_css[] (NUL-terminated) in ${CMAKE_BINARY_DIR}/embedded/page.c
#
#   bilens_embed_page(serve page_files.c web)   ->   bl_page_files[] (src/serve/page.h) of all files below web/
#
# The file is also the script that does it at build time (cmake -P).
if(CMAKE_SCRIPT_MODE_FILE AND FOLDER)
  set(text "/* Made by cmake/embed.cmake. */\n#include \"serve/page.h\"\n")
  set(table "")
  set(n 0)
  string(REPLACE "|" ";" FILES "${FILES}")
  foreach(file IN LISTS FILES)
    file(READ "${FOLDER}/${file}" bytes HEX)
    file(SIZE "${FOLDER}/${file}" size)
    file(SHA256 "${FOLDER}/${file}" hash)
    string(SUBSTRING ${hash} 0 16 hash)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
    string(APPEND text "static const unsigned char file_${n}[] = {\n${bytes}0};\n")
    string(APPEND table "    {\"${file}\", file_${n}, ${size}, \"\\\"${hash}\\\"\"},\n")
    math(EXPR n "${n} + 1")
  endforeach()
  file(WRITE "${OUTPUT}" "${text}const bl_page_file bl_page_files[] = {\n${table}    {0, 0, 0, 0}};\n")
  return()
endif()
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

# Appends the generated file to BILENS_EMBEDDED_<room>.
function(bilens_embed room output)
  set(made ${CMAKE_BINARY_DIR}/embedded/${output})
  list(TRANSFORM ARGN PREPEND ${PROJECT_SOURCE_DIR}/ OUTPUT_VARIABLE files)
  string(REPLACE ";" "|" list "${files}")
  add_custom_command(OUTPUT ${made} DEPENDS ${files} ${BILENS_EMBED_SCRIPT} VERBATIM COMMENT "Embedding ${output}"
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${made} "-DFILES=${list}" -P ${BILENS_EMBED_SCRIPT})
  set(BILENS_EMBEDDED_${room} ${BILENS_EMBEDDED_${room}} ${made} PARENT_SCOPE)
endfunction()

# The same for a folder: every file below it but hidden ones, notes for people (*.md) and what npm keeps.
function(bilens_embed_page room output folder)
  set(made ${CMAKE_BINARY_DIR}/embedded/${output})
  set(root ${PROJECT_SOURCE_DIR}/${folder})
  file(GLOB_RECURSE files RELATIVE ${root} CONFIGURE_DEPENDS ${root}/*)
  list(FILTER files EXCLUDE REGEX "(^|/)(\\..*|node_modules/.*|package(-lock)?\\.json|[^/]*\\.md)$")
  list(SORT files)
  list(TRANSFORM files PREPEND ${root}/ OUTPUT_VARIABLE depends)
  string(REPLACE ";" "|" list "${files}")
  add_custom_command(OUTPUT ${made} DEPENDS ${depends} ${BILENS_EMBED_SCRIPT} VERBATIM COMMENT "Embedding ${folder}/"
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${made} -DFOLDER=${root} "-DFILES=${list}" -P ${BILENS_EMBED_SCRIPT})
  set(BILENS_EMBEDDED_${room} ${BILENS_EMBEDDED_${room}} ${made} PARENT_SCOPE)
endfunction()
