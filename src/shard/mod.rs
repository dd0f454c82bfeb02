//! One core: its listeners, connections, timers, epoch adoption and drain.
