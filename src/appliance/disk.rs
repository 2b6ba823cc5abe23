//! The disk under the data directory: looked at now and then, not for each message.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::boot::Ballast;
use crate::limits;
use crate::message::Spool;
use crate::settings::Current;

/// Looks for the first time, before the databases are opened: on a full disk that takes the ballast.
pub(super) fn look_first(data_directory: &Path, spool: &Spool) {
    // How large messages may be is not known yet, and no message comes before it is.
    Ballast::in_directory(data_directory).look(spool.room(), 0);
}

/// Looks at the disk until `shutdown`. A file system that does not answer is not asked again meanwhile.
pub(super) async fn follow(
    data_directory: PathBuf,
    spool: Arc<Spool>,
    settings: Current,
    shutdown: CancellationToken,
) {
    let ballast = Arc::new(Ballast::in_directory(&data_directory));
    loop {
        let (ballast, spool) = (Arc::clone(&ballast), Arc::clone(&spool));
        let message_bytes_max = settings.snapshot().message_size_max_bytes;
        let looking = tokio::task::spawn_blocking(move || {
            ballast.look(spool.room(), message_bytes_max);
        });
        let looked = async {
            if let Err(error) = looking.await {
                tracing::error!(%error, "the disk was not looked at");
            }
            sleep(limits::DISK_INTERVAL).await;
        };
        tokio::select! {
            () = looked => {}
            () = shutdown.cancelled() => return,
        }
    }
}
