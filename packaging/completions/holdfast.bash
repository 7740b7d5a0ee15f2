# bash completion for holdfast(1). Static: it never opens a vault.

_holdfast() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local commands="init check backup list show diff find cat restore export recover validate copy sync region
    retention forget prune lock lifecycle
    repair stats stream store key wal-push wal-fetch version help"
  local global="--config --vault --key-file --json --quiet --progress --log-dir --help"
  COMPREPLY=()

  # The command is the first word that is neither an option nor an option's value.
  local command="" subcommand="" index word skip=""
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=${COMP_WORDS[index]}
    if [[ -n $skip ]]; then
      skip=""
    elif [[ $word == --@(config|vault|key-file|progress|log-dir|class|source|since|target|include|exclude|overwrite|strip-components|to|from|at|write-config|grace|format|output|recipient|keep-*) ]]; then
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
        backup)
          if [[ -z $subcommand ]]; then words="files config all"; fi
          words+=" --dry-run --name --exclude --threads --level --read-everything --verify"
          words+=" --new-cluster"
          ;;
        list) words="--class --source --since" ;;
        restore)
          words="latest --target --include --exclude --overwrite --delete --strip-components
            --numeric-ids --no-owner --no-xattrs --threads --dry-run --to-time --to-gtid --to-xid --to-lsn --to-name
            --to-immediate --exclusive --timeline --action --as --primary --tablespaces --into --database --as-name
            --disconnect --no-safety-backup --identity"
          ;;
        export)
          words="latest --format --output --recipient --include --exclude --force --level --threads
            --dry-run"
          ;;
        validate) words="all latest restore --read-data --scratch --identity" ;;
        recover)
          words="--from --target --in-place --source --class --at --overwrite --dry-run
            --write-config"
          ;;
        copy) words="--to --verify --dry-run" ;;
        sync) words="--to --verify" ;;
        region)
          if [[ -z $subcommand ]]; then words="status setup"; else words="--role --dry-run"; fi
          ;;
        retention)
          if [[ -z $subcommand ]]; then
            words="show apply"
          else
            words="--dry-run --class --source --keep-last --keep-hourly --keep-daily --keep-weekly
              --keep-monthly --keep-yearly --keep-within"
          fi
          ;;
        lock)
          if [[ -z $subcommand ]]; then words="status extend"; else words="--period --all --dry-run"; fi
          ;;
        prune) words="--dry-run --grace --max-unused" ;;
        lifecycle)
          if [[ -z $subcommand ]]; then words="show apply"; else words="--dry-run"; fi
          ;;
        repair) words="--from --dry-run" ;;
        stream) words="--slot --name --interval --also --new-cluster --skip-gap" ;;
        wal-push) words="--source --new-cluster" ;;
        wal-fetch) words="--source" ;;
        forget) words="--force --yes --dry-run" ;;
        store)
          if [[ -z $subcommand ]]; then words="check"; else words="--policies --role"; fi
          ;;
        key)
          if [[ -z $subcommand ]]; then
            words="list add remove export recover-sheet"
          fi
          ;;
        cat) words="latest --identity" ;;
        show | diff | find) words="latest" ;;
      esac
      words+=" $global"
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
