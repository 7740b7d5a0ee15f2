# fish completion for holdfast(1). It never opens a vault; options without a line of their own here are
# those that --help names.

complete -c holdfast -f

complete -c holdfast -l config -r -F -d 'configuration file'
complete -c holdfast -l vault -x -a '(__fish_complete_directories)' -d 'vault: a URL or a directory'
complete -c holdfast -l key-file -r -F -d 'key file'
complete -c holdfast -l deadline -x -d 'stop the command after so long'
complete -c holdfast -l json -d 'print JSON'
complete -c holdfast -l quiet -d 'print only errors'
complete -c holdfast -l progress -x -a 'auto plain json none' -d 'how to show progress'
complete -c holdfast -l log-dir -x -a '(__fish_complete_directories)' -d 'directory of the logs'
complete -c holdfast -l help -d 'show help'

function __holdfast_needs_command
    not __fish_seen_subcommand_from init check backup list show diff find cat restore export recover validate \
        copy sync region retention forget prune lock lifecycle repair stats stream store key \
        wal-push wal-fetch version help
end

function __holdfast_options
    set -l words (commandline -opc)
    set -l names
    for word in $words[2..]
        string match -q -- '-*' $word; or set -a names $word
    end
    set -l command $names[1]
    contains -- $command backup region retention lifecycle lock store key; and set command $names[1..2]
    $words[1] $command --help 2>/dev/null | string replace -rf '^  (?:-[a-zA-Z],)?(--[a-z-]+)\S*(?: [A-Z.\[\] ]+)?  +(.*)$' '$1\t$2'
end

complete -c holdfast -n 'not __holdfast_needs_command; and string match -q -- "-*" (commandline -ct)' \
    -a '(__holdfast_options)'
complete -c holdfast -n __holdfast_needs_command -a init -d 'create a vault'
complete -c holdfast -n __holdfast_needs_command -a check -d 'find what would keep backups from working'
complete -c holdfast -n __holdfast_needs_command -a stream -d 'keep the log of a database as it is written'
complete -c holdfast -n __holdfast_needs_command -a backup -d 'back up sources or paths'
complete -c holdfast -n __holdfast_needs_command -a list -d 'list backups, newest last'
complete -c holdfast -n __holdfast_needs_command -a show -d 'show what a backup contains'
complete -c holdfast -n __holdfast_needs_command -a diff -d 'compare two backups'
complete -c holdfast -n __holdfast_needs_command -a find -d 'search backups for a path'
complete -c holdfast -n __holdfast_needs_command -a cat -d 'write one file to stdout'
complete -c holdfast -n __holdfast_needs_command -a restore -d 'restore a backup'
complete -c holdfast -n __holdfast_needs_command -a export -d 'make one ordinary archive'
complete -c holdfast -n __holdfast_needs_command -a recover -d 'everything back on a new machine'
complete -c holdfast -n __holdfast_needs_command -a validate -d 'check backups or all data'
complete -c holdfast -n __holdfast_needs_command -a copy -d 'copy the vault to a second store'
complete -c holdfast -n __holdfast_needs_command -a sync -d 'bring all copies up to date'
complete -c holdfast -n __holdfast_needs_command -a region -d 'status and replication of the copies'
complete -c holdfast -n __holdfast_needs_command -a retention -d 'show or apply retention'
complete -c holdfast -n __holdfast_needs_command -a forget -d 'remove backups by name'
complete -c holdfast -n __holdfast_needs_command -a prune -d 'free space that no backup needs'
complete -c holdfast -n __holdfast_needs_command -a lock -d 'status and extension of locks'
complete -c holdfast -n __holdfast_needs_command -a lifecycle -d 'cheaper storage in a bucket'
complete -c holdfast -n __holdfast_needs_command -a repair -d 'mend a damaged vault'
complete -c holdfast -n __holdfast_needs_command -a stats -d 'sizes and savings'
complete -c holdfast -n __holdfast_needs_command -a store -d 'check a bucket'
complete -c holdfast -n __holdfast_needs_command -a key -d 'manage keys'
complete -c holdfast -n __holdfast_needs_command -a wal-push -d 'store a file of the log of PostgreSQL'
complete -c holdfast -n __holdfast_needs_command -a wal-fetch -d 'bring back a file of the log of PostgreSQL'
complete -c holdfast -n __holdfast_needs_command -a version -d 'show the version'
complete -c holdfast -n __holdfast_needs_command -a help -d 'show help'

complete -c holdfast -n '__fish_seen_subcommand_from backup; and not __fish_seen_subcommand_from database files config all' \
    -a 'database files config all'
complete -c holdfast -n '__fish_seen_subcommand_from backup; and __fish_seen_subcommand_from files config' -F
complete -c holdfast -n '__fish_seen_subcommand_from init backup restore recover copy sync region retention prune repair key' \
    -l dry-run -d 'show what would be done'

complete -c holdfast -n '__fish_seen_subcommand_from list recover retention' -l class -x -a 'database files config'
complete -c holdfast -n '__fish_seen_subcommand_from list recover retention' -l source -x -d 'one source'
complete -c holdfast -n '__fish_seen_subcommand_from list' -l since -x -d 'a date, or a time ago: 7d'

complete -c holdfast -n '__fish_seen_subcommand_from show diff find cat restore validate' -a latest
complete -c holdfast -n '__fish_seen_subcommand_from restore' -l target -x -a '(__fish_complete_directories)' -d 'where to'
complete -c holdfast -n '__fish_seen_subcommand_from restore' -l include -x -d 'only these paths'
complete -c holdfast -n '__fish_seen_subcommand_from restore' -l exclude -x -d 'not these paths'
complete -c holdfast -n '__fish_seen_subcommand_from restore' -l overwrite -x -a 'never if-changed always'
complete -c holdfast -n '__fish_seen_subcommand_from restore' -l delete -d 'delete what the backup lacks'
complete -c holdfast -n '__fish_seen_subcommand_from restore' -l strip-components -x -d 'drop leading directories'

complete -c holdfast -n '__fish_seen_subcommand_from restore' -l into -x -a source -d 'load into this server'
complete -c holdfast -n '__fish_seen_subcommand_from restore' -l database -x -d 'which of the backup'
complete -c holdfast -n '__fish_seen_subcommand_from restore' -l as-name -x -d 'name of the restored database'
complete -c holdfast -n '__fish_seen_subcommand_from restore' -l disconnect -d 'end sessions that use it'
complete -c holdfast -n '__fish_seen_subcommand_from restore' -l no-safety-backup -d 'do not keep what is there'
complete -c holdfast -n '__fish_seen_subcommand_from restore validate cat' -l identity -r -F -d 'opens sealed archives'
complete -c holdfast -n '__fish_seen_subcommand_from restore' -l to-time -x -d 'databases: this moment'
complete -c holdfast -n '__fish_seen_subcommand_from restore' -l to-gtid -x -d 'MariaDB, MySQL: this position'
complete -c holdfast -n '__fish_seen_subcommand_from restore' -l to-latest -d 'to the end of the log'
complete -c holdfast -n '__fish_seen_subcommand_from restore' -l tablespaces -x -a '(__fish_complete_directories)' -d 'where to'
complete -c holdfast -n '__fish_seen_subcommand_from stream wal-push' -l also -x -d 'a copy that must have it as well'
complete -c holdfast -n '__fish_seen_subcommand_from stream' -l follow -x -d 'a copy that nothing waits for'
complete -c holdfast -n '__fish_seen_subcommand_from validate' -a 'all restore'
set -l export '__fish_seen_subcommand_from export; and not __fish_seen_subcommand_from key'
complete -c holdfast -n "$export" -a latest
complete -c holdfast -n "$export" -l format -x -a 'tar.zst tar.gz sql.gz sql.zst' -d 'kind of archive'
complete -c holdfast -n "$export" -l output -r -F -d 'where to'
complete -c holdfast -n "$export" -l recipient -x -d 'seal for this age recipient'
complete -c holdfast -n "$export" -l include -x -d 'only these paths'
complete -c holdfast -n "$export" -l exclude -x -d 'not these paths'
complete -c holdfast -n "$export" -l force -d 'replace what is there'
complete -c holdfast -n "$export" -l dry-run -d 'show what would be done'

complete -c holdfast -n '__fish_seen_subcommand_from validate' -l read-data -d 'read every byte, or PCT percent'
complete -c holdfast -n '__fish_seen_subcommand_from copy' -l to -x -a '(__fish_complete_directories)' -d 'the second store'
complete -c holdfast -n '__fish_seen_subcommand_from copy' -l verify -d 'read back what was copied'
complete -c holdfast -n '__fish_seen_subcommand_from sync' -l to -x -d 'one copy'
complete -c holdfast -n '__fish_seen_subcommand_from sync' -l verify -d 'read back what was copied'
complete -c holdfast -n '__fish_seen_subcommand_from region; and not __fish_seen_subcommand_from status setup' -a 'status setup'
complete -c holdfast -n '__fish_seen_subcommand_from region' -l role -x -d 'role for replication'
complete -c holdfast -n '__fish_seen_subcommand_from recover' -l from -x -a '(__fish_complete_directories)' -d 'a copy of the vault'
complete -c holdfast -n '__fish_seen_subcommand_from recover' -l target -x -a '(__fish_complete_directories)' -d 'where to'
complete -c holdfast -n '__fish_seen_subcommand_from recover' -l in-place -d 'to the original paths'
complete -c holdfast -n '__fish_seen_subcommand_from recover' -l at -x -d 'a date, or a time ago: 7d'
complete -c holdfast -n '__fish_seen_subcommand_from recover' -l overwrite -x -a 'never if-changed always'
complete -c holdfast -n '__fish_seen_subcommand_from recover' -l write-config -r -d 'a first configuration'
complete -c holdfast -n '__fish_seen_subcommand_from lock; and not __fish_seen_subcommand_from status extend' \
    -a 'status extend'
complete -c holdfast -n '__fish_seen_subcommand_from extend' -l period -x -d 'from now on'
complete -c holdfast -n '__fish_seen_subcommand_from extend' -l all -d 'also what is locked for long'
complete -c holdfast -n '__fish_seen_subcommand_from prune' -l grace -x -d 'how long to wait before removing'

complete -c holdfast -n '__fish_seen_subcommand_from lifecycle; and not __fish_seen_subcommand_from show apply' \
    -a 'show apply'
complete -c holdfast -n '__fish_seen_subcommand_from retention; and not __fish_seen_subcommand_from show apply' \
    -a 'show apply'
for rule in last hourly daily weekly monthly yearly within
    complete -c holdfast -n '__fish_seen_subcommand_from retention' -l keep-$rule -x
end

complete -c holdfast -n '__fish_seen_subcommand_from key; and not __fish_seen_subcommand_from list add remove export recover-sheet' \
    -a 'list add remove export recover-sheet'
