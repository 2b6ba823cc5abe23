use axum::http::StatusCode;

use crate::delivery::{NextHopFigures, Suspension};
use crate::message::{DiskReason, Path, Storage};
use crate::statistics::AnsweredFigures;
use crate::web::testing::Site;

async fn answered(site: &Site) {
    for (storage, path, reasons) in [
        (Storage::Memory, Path::Fast, &[][..]),
        (Storage::Memory, Path::CutThrough, &[]),
        (Storage::Memory, Path::Fast, &[]),
        (
            Storage::Disk,
            Path::Standard,
            &[DiskReason::AckDeadline, DiskReason::Condition("a&b".into())],
        ),
    ] {
        site.context.statistics.answered(&AnsweredFigures {
            path,
            storage,
            reasons,
            size_bytes: 4_096,
            acknowledged_after: std::time::Duration::from_millis(3),
        });
    }
}

#[tokio::test]
async fn every_part_is_there_and_named_for_the_script() {
    let site = Site::open().await;
    answered(&site).await;
    let page = site.see("/").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    page.has(&[
        r#"data-live="ratio">75.0 %<"#,
        r#"data-live="minute-messages">4<"#,
        r#"data-live="all-bytes-ratio">75.0 %<"#,
        r#"data-bar="headline""#,
        r#"data-bar="held""#,
        r#"href="/messages?reason=ack_deadline&amp;since="#,
        r#"href="/messages?reason=condition%3Aa%26b&amp;since="#,
        "condition a&#38;b",
        r#"<a href="/?range=hour" aria-current="true">"#,
        r#"<a href="/?range=month">30 days</a>"#,
        "Nobody waits",
        "Disk free",
    ]);
    site.close().await;
}

#[tokio::test]
async fn the_range_is_one_of_three() {
    let site = Site::open().await;
    for (range, status) in [
        ("hour", StatusCode::OK),
        ("day", StatusCode::OK),
        ("month", StatusCode::OK),
        ("year", StatusCode::BAD_REQUEST),
        ("", StatusCode::BAD_REQUEST),
    ] {
        let page = site.see(&format!("/?range={range}")).await;
        assert_eq!(page.status, status, "{range}");
        let request = format!("GET /api/v1/statistics/series?range={range}");
        let answer = site.call(&request, "").await;
        assert_eq!(answer.status, status, "{range}");
        if status == StatusCode::OK {
            assert_eq!(answer.json()["range"], range);
        }
    }
    let default = site.call("GET /api/v1/statistics/series", "").await.json();
    assert_eq!(default["points"].as_array().map(Vec::len), Some(60));
    site.close().await;
}

#[tokio::test]
async fn next_hops_are_told_to_programs_in_seconds() {
    let site = Site::with_next_hops(|| {
        vec![NextHopFigures {
            name: "mx.example.net:25".into(),
            open_connections: 2,
            delivered: 3,
            deferred: 1,
            refused: 0,
            uncertain: 0,
            latency_p50: Some(std::time::Duration::from_millis(250)),
            latency_p99: None,
            suspension: Suspension::Suspended {
                probe_in: std::time::Duration::from_millis(1_500),
            },
        }]
    })
    .await;
    let answer = site.call("GET /api/v1/next-hops", "").await;
    assert_eq!(answer.status, StatusCode::OK);
    let expected = serde_json::json!({"items": [{
        "name": "mx.example.net:25",
        "recipients": {"delivered": 3, "deferred": 1, "refused": 0, "uncertain": 0},
        "success_share": 0.75,
        "latency_seconds": {"p50": 0.25, "p99": null},
        "open_connections": 2,
        "breaker": {"is_open": true, "probe_in_seconds": 1.5},
    }]});
    assert_eq!(answer.json(), expected);
    let page = site.see("/").await;
    page.has(&[
        r#"href="/queue?next_hop=mx.example.net%3A25""#,
        "open, probe in 1 s",
        "75.0 %",
        "250 ms",
    ]);
    site.close().await;
}
