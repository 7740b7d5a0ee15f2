# Manual deletion of specific backup
aws s3 rm s3://${BACKUP_BUCKET}/database/old-backup.sql.gz
