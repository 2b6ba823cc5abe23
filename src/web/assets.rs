//! The stylesheet and other files that pages load, part of the program.
//!
//! Each is named by its checksum, so that browsers may keep it for ever: a new version has a new name.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

/// The picture in the browser's tab.
pub(super) const PICTURE: &str = "fastpath.svg";

/// The URL of a file in `static/`.
pub(super) fn url(file: &str) -> String {
    let name = Files::get(file).map(|content| checked_name(file, &content));
    format!("/static/{}", name.as_deref().unwrap_or(file))
}

/// `name.css` becomes `name.0123456789abcdef.css`.
fn checked_name(file: &str, content: &EmbeddedFile) -> String {
    let (stem, extension) = file.rsplit_once('.').unwrap_or((file, ""));
    let checksum = content.metadata.sha256_hash();
    let checksum: String = checksum[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{stem}.{checksum}.{extension}")
}

/// `/favicon.ico`, which browsers ask for by themselves.
pub(super) async fn picture() -> Response {
    file(Path(url(PICTURE).replace("/static/", ""))).await
}

/// One file by its checked name.
pub(super) async fn file(Path(name): Path<String>) -> Response {
    let found = Files::iter().find_map(|file| {
        let content = Files::get(&file)?;
        (checked_name(&file, &content) == name).then_some(content)
    });
    let Some(content) = found else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, content.metadata.mimetype().to_owned()),
        (
            header::CACHE_CONTROL,
            "public, max-age=31536000, immutable".to_owned(),
        ),
    ];
    (headers, content.data).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_holds_the_checksum() {
        let url = url("fastpath.css");
        let parts: Vec<&str> = url.split('.').collect();
        assert_eq!((parts[0], parts[2]), ("/static/fastpath", "css"));
        assert_eq!(parts[1].len(), 16);
    }
}
