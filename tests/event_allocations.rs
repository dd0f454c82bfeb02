//! Events of functions allocate nothing once their buffers have grown.

#[path = "in_process/counting.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with tests that use all of it")]
mod counting;
#[path = "in_process/event_request.rs"]
#[allow(unreachable_pub, reason = "shared with benches")]
mod event_request;

use counting::{Counting, allocations};
use event_request::with_event_request;
use shardgate::lambda::{EventScratch, Flavour, event_v1, event_v2};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn write_events(scratch: &mut EventScratch, out: &mut Vec<u8>) {
    out.clear();
    with_event_request(|request| {
        event_v1(request, Flavour::Rest, scratch, out);
        event_v1(request, Flavour::Http, scratch, out);
        event_v2(request, scratch, out);
    });
}

/// One test, so that nothing else allocates in this process meanwhile.
#[test]
fn events_allocate_nothing() {
    let (mut scratch, mut out) = (EventScratch::new(), Vec::new());
    for _ in 0..3 {
        write_events(&mut scratch, &mut out);
    }
    // The thread that waits for this test may allocate once meanwhile; what events allocate would
    // come back in every round.
    let fewest = (0..5).map(|_| {
        let (before, _) = allocations();
        for _ in 0..100 {
            write_events(&mut scratch, &mut out);
        }
        allocations().0 - before
    });
    assert_eq!(fewest.min(), Some(0), "allocations for 300 events");
    assert!(out.len() > 3_000);
}
