# List available database backups
aws s3 ls s3://${BACKUP_BUCKET}/database/ --recursive | tail -10
