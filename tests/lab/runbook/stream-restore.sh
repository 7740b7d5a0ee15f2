# Option 3: Stream restore (no disk needed)
aws s3 cp s3://${BACKUP_BUCKET}/database/backup.sql.gz - | \
  gunzip | \
  psql -h ${DB_HOST} -U ${DB_USER} appdb
