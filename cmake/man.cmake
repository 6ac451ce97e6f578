# Manual pages, made by the program from the text of its own --help, and shell completion. A verb is found by its file in src/cli that
# defines `verb_…`; the script below asks the program itself.
if(CMAKE_SCRIPT_MODE_FILE)
  # cmake -DPROGRAM=… -DFOLDER=… -P man.cmake
  file(REMOVE_RECURSE ${FOLDER})
  file(MAKE_DIRECTORY ${FOLDER})
  execute_process(COMMAND ${PROGRAM} --help=man OUTPUT_FILE ${FOLDER}/bilens.1 COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${PROGRAM} --help=options OUTPUT_VARIABLE verbs COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX REPLACE "\t[^\n]*" "" verbs "${verbs}")
  string(REGEX MATCHALL "[a-z]+" verbs "${verbs}")
  foreach(verb IN LISTS verbs)
    execute_process(COMMAND ${PROGRAM} ${verb} --help=man OUTPUT_FILE ${FOLDER}/bilens-${verb}.1 COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
  return()
endif()

if(TARGET bilens AND NOT CMAKE_CROSSCOMPILING AND NOT BILENS_SANITIZE AND NOT BILENS_FUZZ)
  set(BILENS_MAN ${CMAKE_BINARY_DIR}/man)
  add_custom_command(OUTPUT ${BILENS_MAN}/bilens.1 DEPENDS bilens ${CMAKE_CURRENT_LIST_FILE} VERBATIM COMMENT "Manual pages"
    COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:bilens> -DFOLDER=${BILENS_MAN} -P ${CMAKE_CURRENT_LIST_FILE})
  add_custom_target(man ALL DEPENDS ${BILENS_MAN}/bilens.1)
  install(DIRECTORY ${BILENS_MAN}/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 FILES_MATCHING PATTERN "*.1")
endif()
install(FILES ${PROJECT_SOURCE_DIR}/tools/completion/bilens.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME bilens)
install(FILES ${PROJECT_SOURCE_DIR}/tools/completion/bilens.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions RENAME _bilens)
