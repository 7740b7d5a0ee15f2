# holdfast_room(NAME SOURCES... [USES target...]): one static library for one room under src/.
add_library(holdfast_flags INTERFACE)
target_include_directories(holdfast_flags INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(holdfast_flags INTERFACE -fno-plt)
if(NOT HOLDFAST_SANITIZE)
  # Judged in the release build alone: with the sanitizers' code in between, GCC 12 sees uninitialised
  # values in the standard library itself.
  target_compile_options(holdfast_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                         -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # GCC 12 warns of impossible overlaps in std::string and of impossible bounds in
  # std::vector::insert (GCC bugs 105651, 105329, 107852). Where several sources are one unit it takes
  # each for a header.
  target_compile_options(holdfast_flags INTERFACE -Wno-restrict -Wno-array-bounds
                         -Wno-stringop-overflow -Wno-subobject-linkage)
endif()
target_link_libraries(holdfast_flags INTERFACE Threads::Threads)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  target_compile_options(holdfast_flags INTERFACE -Werror=thread-safety)
endif()
if(HOLDFAST_SANITIZE)
  target_compile_options(holdfast_flags INTERFACE -fsanitize=${HOLDFAST_SANITIZE}
                         -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(holdfast_flags INTERFACE -fsanitize=${HOLDFAST_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
    # This check writes into a pipe, which tests make fail.
    target_compile_options(holdfast_flags INTERFACE -fno-sanitize=vptr)
  endif()
endif()

function(holdfast_room NAME)
  cmake_parse_arguments(ROOM "" "" "SOURCES;USES" ${ARGN})
  add_library(holdfast_${NAME} STATIC ${ROOM_SOURCES})
  target_link_libraries(holdfast_${NAME} PUBLIC holdfast_flags ${ROOM_USES})
endfunction()
