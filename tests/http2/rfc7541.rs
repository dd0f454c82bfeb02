//! RFC 7541: blocks of fields that cannot be decoded end the connection, as those of others then
//! could not be either. (`h2` calls all of them PROTOCOL_ERROR, where RFC 9113 section 4.3 wants
//! COMPRESSION_ERROR.)

use super::fields::{block, get_mock, indexed_literal, integer, literal, start};
use super::frame::*;
use super::gateways::alone;
use super::peer::Http2;
use super::rfc9113_connection::assert_connection_errors;

const REFUSED: &[u32] = &[COMPRESSION_ERROR, PROTOCOL_ERROR];

/// A request with these bytes behind its fields.
fn behind(bytes: &[u8]) -> Vec<u8> {
    headers(1, WHOLE, [&get_mock(), bytes].concat())
}

#[test]
fn section_2_3_3_indexes_must_be_in_the_tables() {
    let gateway = alone("");
    assert_connection_errors(
        &gateway,
        &[
            ("index 0", behind(&[0x80]), REFUSED),
            ("index 62 of an empty table", behind(&integer(0x80, 7, 62)), REFUSED),
            ("index 70", behind(&integer(0x80, 7, 70)), REFUSED),
            (
                "a name of index 70",
                behind(&[&integer(0x40, 6, 70)[..], &[1, b'x']].concat()),
                REFUSED,
            ),
        ],
    );
}

#[test]
fn section_4_2_the_size_of_the_table_changes_first_and_not_beyond_the_setting() {
    let gateway = alone("");
    let size = |bytes| integer(0x20, 5, bytes);
    assert_connection_errors(
        &gateway,
        &[
            ("at the end", behind(&size(1)), REFUSED),
            (
                "in the middle",
                headers(1, WHOLE, [&get_mock()[..], &size(1), &literal("x-a", "1")].concat()),
                REFUSED,
            ),
            // Section 6.3.
            ("too large", headers(1, WHOLE, [size(4_097), get_mock()].concat()), REFUSED),
        ],
    );
    let mut client = Http2::connect(&gateway);
    let shrunk = [size(0), size(4_096), get_mock()].concat();
    let stream = client.ask(shrunk);
    assert_eq!(client.answer(stream).text(), "mocked");
    // What no longer fits is gone from the table.
    let entered = [indexed_literal(":path", "/mock"), block(&start("GET", "/mock")[..3])].concat();
    let stream = client.ask(&entered);
    assert_eq!(client.answer(stream).text(), "mocked");
    let gone = [size(0), block(&start("GET", "/mock")[..3]), integer(0x80, 7, 62)].concat();
    client.ask(gone);
    client.read_to_end();
    assert!(REFUSED.contains(&client.goaway.expect("GOAWAY").1));
}

#[test]
fn section_5_1_integers_do_not_overflow() {
    let gateway = alone("");
    let endless = |first: u8| [&[first][..], &[0xff; 10], &[0x7f]].concat();
    assert_connection_errors(
        &gateway,
        &[
            ("an index", behind(&endless(0xff)), REFUSED),
            ("the length of a name", behind(&[&[0][..], &endless(0x7f)].concat()), REFUSED),
            ("the size of the table", headers(1, WHOLE, endless(0x3f)), REFUSED),
            ("an integer without end", behind(&[0xff, 0x80, 0x80]), REFUSED),
            ("zeros without end", behind(&[&[0xff][..], &[0x80; 200]].concat()), REFUSED),
        ],
    );
}

#[test]
fn section_5_2_strings_are_whole_and_their_padding_is_that_of_huffman() {
    let gateway = alone("");
    // "x-a" as a plain name, then a value in Huffman coding.
    let value = |coded: &[u8]| {
        let length = 0x80 | u8::try_from(coded.len()).expect("short");
        behind(&[&[0, 3][..], b"x-a", &[length], coded].concat())
    };
    assert_connection_errors(
        &gateway,
        &[
            ("a string that is cut", behind(&[0, 3, b'x']), REFUSED),
            ("more than 7 bits of padding", value(&[0x1f, 0xff, 0xff]), REFUSED),
            ("padding of zeros", value(&[0x18]), REFUSED),
            ("the end of the string inside", value(&[0xff, 0xff, 0xff, 0xff]), REFUSED),
        ],
    );
    // And one that is right: "a" is 00011, padded with ones.
    let mut client = Http2::connect(&gateway);
    let right = [&get_mock()[..], &[0, 3], b"x-a", &[0x81, 0x1f]].concat();
    let stream = client.ask(right);
    assert_eq!(client.answer(stream).text(), "mocked");
}

#[test]
fn section_6_all_representations_are_read() {
    let gateway = alone("");
    let mut client = Http2::connect(&gateway);
    for round in 0..3 {
        // :method GET and :scheme http from the static table; :authority as a name of it, entered;
        // :path never indexed.
        let mut fields = vec![0x82, 0x86];
        if round == 0 {
            fields.extend([0x41, 1, b'a']);
        } else {
            fields.extend(integer(0x80, 7, 62));
        }
        fields.extend([0x14, 5]);
        fields.extend(b"/mock");
        let stream = client.ask(fields);
        assert_eq!(client.answer(stream).text(), "mocked", "{round}");
    }
}
