# Test backup download
aws s3 cp s3://${BACKUP_BUCKET}/database/test-backup.sql.gz /tmp/ --dryrun
