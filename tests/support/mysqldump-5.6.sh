#!/usr/bin/env bash
# A stand-in for the mysqldump of MySQL 5.6, for tests on hosts that have the server alone: takes the
# options of the real one that Holdfast uses, no others, and writes what the real one would of simple
# things. MariaDB's client asks the server for them; not in one snapshot. (mariadb-dump cannot: it asks for
# generated columns, which 5.6 does not know.)
set -euo pipefail
if [[ ${1-} == --version ]]; then
  echo "mysqldump  Ver 10.13 Distrib 5.6.24, for linux-glibc2.5 (x86_64)"
  exit 0
fi
server=()
seen=" "
named=false
databases=()
while (($#)); do
  case $1 in
    --defaults-file=* | --socket=* | --host=* | --port=* | --user=*) server+=("$1") ;;
    --skip-dump-date | --max-allowed-packet=* | --single-transaction | --quick | --routines | --triggers | \
      --events | --hex-blob | --no-tablespaces | --set-gtid-purged=OFF | --master-data=2) seen+="$1 " ;;
    --databases) named=true ;;
    --) shift && databases=("$@") && break ;;
    *) echo "mysqldump: unknown option '$1'" >&2 && exit 2 ;;
  esac
  shift
done
for option in --single-transaction --routines --events --hex-blob --set-gtid-purged=OFF --master-data=2; do
  [[ $seen == *" $option "* ]] || { echo "mysqldump: called without $option" >&2 && exit 3; }
done
ask() { mariadb "${server[@]}" --batch --skip-column-names --raw --execute "$1" "${@:2}"; }
tables() {
  local table
  while read -r table; do
    printf 'DROP TABLE IF EXISTS `%s`;\n%s;\n' "$table" \
      "$(ask "SHOW CREATE TABLE \`$table\`" "$1" | sed '1s/^[^\t]*\t//')"
  done < <(ask "SELECT table_name FROM information_schema.tables WHERE table_schema = '$1' AND
    table_type = 'BASE TABLE' ORDER BY 1")
}
programs() {
  ask "SELECT CONCAT('CREATE VIEW \`', table_name, '\` AS ', REPLACE(view_definition, '\`$1\`.', ''), ';')
    FROM information_schema.views WHERE table_schema = '$1';
    SELECT CONCAT('CREATE PROCEDURE \`', routine_name, '\`() ', routine_definition, ';') FROM
    information_schema.routines WHERE routine_schema = '$1';
    SELECT CONCAT('CREATE TRIGGER \`', trigger_name, '\` ', action_timing, ' ', event_manipulation, ' ON \`',
    event_object_table, '\` FOR EACH ROW ', action_statement, ';') FROM information_schema.triggers WHERE
    trigger_schema = '$1';
    SELECT CONCAT('CREATE EVENT \`', event_name, '\` ON SCHEDULE EVERY ', interval_value, ' ', interval_field,
    ' DO ', event_definition, ';') FROM information_schema.events WHERE event_schema = '$1'"
}
rows() {
  local table column type values
  while read -r table; do
    values=
    while IFS=$'\t' read -r column type; do
      case $type in
        *blob | *binary) column="IF(\`$column\` IS NULL, 'NULL', IF(\`$column\` = '', '\"\"', CONCAT('0x', HEX(\`$column\`))))" ;;
        *) column="QUOTE(\`$column\`)" ;;
      esac
      values+="${values:+, ',', }$column"
    done < <(ask "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = '$1' AND
      table_name = '$table' ORDER BY ordinal_position")
    ask "SELECT CONCAT('INSERT INTO \`$table\` VALUES (', $values, ');') FROM \`$1\`.\`$table\`"
  done < <(ask "SELECT table_name FROM information_schema.tables WHERE table_schema = '$1' AND
    table_type = 'BASE TABLE' ORDER BY 1")
}
read -r file position _ < <(ask "SHOW MASTER STATUS")
printf -- '-- MySQL dump 10.13  Distrib 5.6.24, for linux-glibc2.5 (x86_64)\n--\n'
printf -- '-- Host: localhost    Database: %s\n-- %s\n' "${databases[0]}" "$(printf '%.0s-' {1..54})"
printf -- '-- Server version\t%s\n\n/*!40101 SET NAMES utf8mb4 */;\n\n' "$(ask 'SELECT @@version')"
printf -- "--\n-- Position to start replication or point-in-time recovery from\n--\n\n"
printf -- "-- CHANGE MASTER TO MASTER_LOG_FILE='%s', MASTER_LOG_POS=%s;\n\n" "$file" "$position"
for database in "${databases[@]}"; do
  if $named; then
    printf -- '--\n-- Current Database: `%s`\n--\n\n' "$database"
    printf 'CREATE DATABASE /*!32312 IF NOT EXISTS*/ `%s`;\n\nUSE `%s`;\n\n' "$database" "$database"
  fi
  tables "$database"
  rows "$database"
  programs "$database"
done
printf -- '\n-- Dump completed\n'
