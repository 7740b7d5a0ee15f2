# bash completion for holdfast(1). It never opens a vault; the options are those that --help names.

_holdfast_options() {
  local -a words=("${COMP_WORDS[0]}" "$command")
  case $command in
    backup | region | retention | lifecycle | lock | store | key) [[ -n $subcommand ]] && words+=("$subcommand") ;;
  esac
  "${words[@]}" --help 2>/dev/null | sed -nE 's/^  (-[a-zA-Z],)?(--[a-z-]+).*/\2/p'
}

_holdfast() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local commands="init check backup list show diff find cat restore export recover validate copy sync region
    retention forget prune lock lifecycle
    repair stats stream store key wal-push wal-fetch version help"
  local global="--config --vault --key-file --deadline --json --quiet --progress --log-dir --help"
  COMPREPLY=()

  # The command is the first word that is neither an option nor an option's value.
  local command="" subcommand="" index word skip=""
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=${COMP_WORDS[index]}
    if [[ -n $skip ]]; then
      skip=""
    elif [[ $word == --@(config|vault|key-file|deadline|progress|log-dir|class|source|since|target|include|exclude|overwrite|strip-components|to|from|at|write-config|grace|format|output|recipient|keep-*) ]]; then
      skip=yes
    elif [[ $word == -* || $word == = ]]; then
      :
    elif [[ -z $command ]]; then
      command=$word
    elif [[ -z $subcommand ]]; then
      subcommand=$word
    fi
  done

  local words=""
  case $previous in
    --config | --key-file | --identity)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    --output)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    --vault | --to | --target | --log-dir)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      return
      ;;
    --format) words="tar.zst tar.gz sql.gz sql.zst" ;;
    --progress) words="auto plain json none" ;;
    --into) words="source" ;;
    --overwrite) words="never if-changed always" ;;
    --class) words="database files config" ;;
    --role) words="restorer writer operator" ;;
    --source | --since | --include | --exclude | --strip-components | --grace | --keep-* | --label | --recipient | --database | --as-name)
      return
      ;;
    *)
      case $command in
        "") words=$commands ;;
        backup) if [[ -z $subcommand ]]; then words="database files config all"; fi ;;
        restore | export | show | diff | find | cat) words="latest" ;;
        validate) words="all latest restore" ;;
        region) if [[ -z $subcommand ]]; then words="status setup"; fi ;;
        retention | lifecycle) if [[ -z $subcommand ]]; then words="show apply"; fi ;;
        lock) if [[ -z $subcommand ]]; then words="status extend"; fi ;;
        store) if [[ -z $subcommand ]]; then words="check"; fi ;;
        key) if [[ -z $subcommand ]]; then words="list add remove export recover-sheet"; fi ;;
      esac
      words+=" $global"
      [[ -n $command && $current == -* ]] && words+=" $(_holdfast_options)"
      ;;
  esac

  # Paths can follow where sources, paths and files are arguments.
  if [[ $command == backup && -n $subcommand && $current != -* ]]; then
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
    return
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _holdfast holdfast
