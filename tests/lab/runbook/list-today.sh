# Verify backup in S3
aws s3 ls s3://${BACKUP_BUCKET}/database/$(date +%Y-%m-%d)/ --human-readable
