# List recent backups (last 7 days)
aws s3api list-objects-v2 \
  --bucket ${BACKUP_BUCKET} \
  --prefix database/ \
  --query "Contents[?LastModified>='$(date -d '7 days ago' -u +%Y-%m-%d)'].[Key,Size,LastModified]" \
  --output table
