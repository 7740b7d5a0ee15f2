# Delete all backups for specific date (CAUTION!)
aws s3 rm s3://${BACKUP_BUCKET}/database/2025-01-01/ --recursive
