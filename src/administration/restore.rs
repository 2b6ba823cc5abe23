//! Bringing a backup back to an empty data directory.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use super::backup::{
    BackupError, Manifest, OTHER_FILES, SPOOL, at, clear, copy_file, has_bytes, is_empty_but,
    read_manifest, sync,
};
use crate::boot::DataDirectory;
use crate::store::DatabaseCopy;

/// Puts the backup in `directory` on `data_directory`, which is empty and not in use. The
/// backup is checked page by page before anything is written.
///
/// # Errors
/// When the backup is not whole, or the data directory cannot be had; nothing is restored then.
pub async fn restore(directory: &Path, data_directory: &Path) -> Result<Manifest, BackupError> {
    let manifest = check(directory).await?;
    let data = DataDirectory::open(data_directory)?;
    // The lock that we have just taken is there, and a mount may have what its file system needs.
    let is_expected = |name: &OsStr| name == "lock" || name == "lost+found";
    if !is_empty_but(data.path(), is_expected).map_err(|cause| at(data.path(), cause))? {
        return Err(BackupError::NotEmpty(data.path().to_owned()));
    }
    let restored = copy_back(directory, data.path());
    if restored.is_err() {
        clear(data.path());
    }
    restored.map(|()| manifest)
}

/// Reads everything that a restore relies on.
async fn check(directory: &Path) -> Result<Manifest, BackupError> {
    let no_backup = |problem: String| BackupError::NoBackup {
        directory: directory.to_owned(),
        problem,
    };
    let manifest = read_manifest(directory)?;
    let copy = DatabaseCopy::at(directory);
    copy.check().await?;
    let (messages, recipients) = copy.queue().await?;
    if (messages, recipients) != (manifest.messages, manifest.recipients) {
        let problem = format!(
            "its queue has {messages} messages for {recipients} recipients, and should have {} for {}",
            manifest.messages, manifest.recipients
        );
        return Err(no_backup(problem));
    }
    if let Some(message) = copy.without_content().await?.first() {
        return Err(no_backup(format!("message {message} has no content")));
    }
    for content in copy.spooled().await? {
        if !has_bytes(&directory.join(SPOOL).join(&content.file), content.bytes) {
            let problem = format!(
                "message {} has no content: the file {SPOOL}/{} is missing or too short",
                content.message, content.file
            );
            return Err(no_backup(problem));
        }
    }
    Ok(manifest)
}

fn copy_back(directory: &Path, data_directory: &Path) -> Result<(), BackupError> {
    let spool = data_directory.join(SPOOL);
    fs::create_dir_all(&spool).map_err(|cause| at(&spool, cause))?;
    for file in names(&directory.join(SPOOL)).map_err(|cause| at(directory, cause))? {
        let below = Path::new(SPOOL).join(file);
        copy(directory, data_directory, &below)?;
    }
    sync(&spool).map_err(|cause| at(&spool, cause))?;
    for file in OTHER_FILES {
        if directory.join(file).exists() {
            copy(directory, data_directory, Path::new(file))?;
        }
    }
    // The queue comes last: an appliance that is started on half a restore has no rows without content.
    for database in ["history.db", "appliance.db"] {
        copy(directory, data_directory, Path::new(database))?;
    }
    sync(data_directory).map_err(|cause| at(data_directory, cause))
}

fn copy(from: &Path, to: &Path, file: &Path) -> Result<(), BackupError> {
    let source = from.join(file);
    copy_file(&source, &to.join(file)).map_err(|cause| at(&source, cause))
}

fn names(directory: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    fs::read_dir(directory)?
        .map(|entry| Ok(entry?.file_name()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::administration::backup;
    use crate::boot::DirectoryError;
    use crate::message::Spool;
    use crate::store::{CopyError, Store};

    /// A backup of an appliance that never took a message, and room beside it.
    async fn backed_up() -> tempfile::TempDir {
        let place = tempfile::tempdir().expect("a directory");
        let data = place.path().join("data");
        let spool: Arc<Spool> = Spool::open(data.join(SPOOL), "boot").expect("a spool");
        let opened = Store::open(&data, &spool, Some(Timestamp::now())).await;
        let (store, writers) = opened.expect("a store");
        // Beside a store that is open, as in life.
        let taken = backup::take(&data, &place.path().join("backup")).await;
        assert_eq!(taken.expect("taken").messages, 0);
        assert!(store.close(writers).await);
        place
    }

    async fn restored(place: &Path) -> Result<Manifest, BackupError> {
        restore(&place.join("backup"), &place.join("new")).await
    }

    #[tokio::test]
    async fn a_backup_comes_back_once() {
        let place = backed_up().await;
        restored(place.path()).await.expect("restored");
        let new = place.path().join("new");
        let spool: Arc<Spool> = Spool::open(new.join(SPOOL), "later").expect("a spool");
        let opened = Store::open(&new, &spool, Some(Timestamp::now())).await;
        let (store, writers) = opened.expect("a store");
        assert!(store.close(writers).await);
        let again = restored(place.path()).await;
        assert!(matches!(again, Err(BackupError::NotEmpty(_))), "{again:?}");
    }

    #[tokio::test]
    async fn a_data_directory_in_use_is_left_alone() {
        let place = backed_up().await;
        let _used = DataDirectory::open(&place.path().join("new")).expect("it is free");
        let refused = restored(place.path()).await;
        let locked = BackupError::DataDirectory(DirectoryError::Locked(place.path().join("new")));
        assert_eq!(
            refused.expect_err("it is in use").to_string(),
            locked.to_string()
        );
    }

    #[tokio::test]
    async fn what_is_not_whole_is_not_restored() {
        let place = backed_up().await;
        let backup = place.path().join("backup");
        let manifest = backup.join("backup.json");
        let whole = fs::read_to_string(&manifest).expect("it is there");
        for (text, expected) in [
            (String::new(), "EOF"),
            (whole.replace("\"format\": 1", "\"format\": 2"), "format 2"),
            (
                whole.replace("\"messages\": 0", "\"messages\": 1"),
                "should have 1",
            ),
        ] {
            assert_ne!(text, whole);
            fs::write(&manifest, text).expect("written");
            let error = restored(place.path()).await.expect_err(expected);
            assert!(error.to_string().contains(expected), "{error}");
        }
        fs::write(&manifest, &whole).expect("written");
        fs::write(backup.join("history.db"), "no database at all".repeat(300)).expect("written");
        let error = restored(place.path()).await.expect_err("it is broken");
        assert!(
            matches!(error, BackupError::Copy(CopyError::Database { .. })),
            "{error}"
        );
        fs::remove_file(manifest).expect("removed");
        let error = restored(place.path()).await.expect_err("no manifest");
        assert!(matches!(error, BackupError::NoBackup { .. }), "{error}");
        assert!(!place.path().join("new").exists());
    }
}
