//! Turns: scenes that load both cores or hold thousands of descriptors do not overlap.

use std::fs::File;
use std::path::Path;

/// Held by a heavy scene while it runs; the next one begins when it is dropped.
pub(crate) struct Turn(#[expect(dead_code, reason = "held for its lock, which ends with it")] File);

/// Waits for this scene's turn. The lock is a file's, so that it also holds between processes when
/// a runner gives each test a process of its own.
pub(crate) async fn take() -> Turn {
    tokio::task::spawn_blocking(|| {
        let file =
            File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("heavy-scene.lock")).unwrap();
        file.lock().unwrap();
        Turn(file)
    })
    .await
    .unwrap()
}
