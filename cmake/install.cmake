# make install [PREFIX=/usr/local] [DESTDIR=]: what a package of Holdfast contains.
include(GNUInstallDirs)

install(TARGETS holdfast RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

set(packaging ${PROJECT_SOURCE_DIR}/packaging)
install(FILES ${packaging}/man/holdfast.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${packaging}/man/holdfast.yaml.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)

install(FILES ${packaging}/completions/holdfast.bash RENAME holdfast
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${packaging}/completions/_holdfast
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${packaging}/completions/holdfast.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

install(FILES ${packaging}/holdfast.example.yaml RENAME holdfast.yaml
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/holdfast/examples)
install(FILES ${packaging}/holdfast.schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/holdfast)
