echo "=== Database Backups ==="
aws s3 ls s3://${BACKUP_BUCKET}/database/ --recursive | \
  awk '{print $1" "$2" "$4}' | sort -r | head -5

echo "=== File Backups ==="
aws s3 ls s3://${BACKUP_BUCKET}/files/ --recursive | \
  awk '{print $1" "$2" "$4}' | sort -r | head -5

# Verify backup sizes
aws s3api list-objects-v2 \
  --bucket ${BACKUP_BUCKET} \
  --prefix database/ \
  --query 'sort_by(Contents, &LastModified)[-5:].{Key:Key,Size:Size,Modified:LastModified}' \
  --output table
