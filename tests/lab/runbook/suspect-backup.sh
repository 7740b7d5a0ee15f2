# 2. Download suspect backup
aws s3 cp s3://${BACKUP_BUCKET}/database/suspect-backup.sql.gz /tmp/

# 3. Test backup integrity
gunzip -t /tmp/suspect-backup.sql.gz || echo "Backup corrupted!"
