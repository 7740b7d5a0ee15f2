# Verify latest backups
aws s3 ls s3://${BACKUP_BUCKET}/database/ | tail -5
