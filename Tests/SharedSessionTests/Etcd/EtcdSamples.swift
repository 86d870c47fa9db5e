@testable import SharedSession

/// What etcd 3.4.23 answers, with the key `squire/x`.
enum EtcdSamples {
    static let key = "squire/x"
    static let key64 = "c3F1aXJlL3g="

    static func header(_ revision: Int) -> String {
        #""header":{"cluster_id":"15875391935852295136","member_id":"7383792418829112008","revision":"\#(revision)","#
            + #""raft_term":"2"}"#
    }

    static func pair(_ value64: String, _ revision: Int) -> String {
        #"{"key":"\#(key64)","create_revision":"2","mod_revision":"\#(revision)","version":"1","value":"\#(value64)"}"#
    }

    static func absent(_ revision: Int) -> String { "{\(header(revision))}" }

    /// `latest` is the engine's revision, where it is another one than the value's.
    static func range(_ value64: String, _ revision: Int, at latest: Int? = nil) -> String {
        #"{\#(header(latest ?? revision)),"kvs":[\#(pair(value64, revision))],"count":"1"}"#
    }

    static func written(_ revision: Int) -> String {
        #"{\#(header(revision)),"succeeded":true,"responses":[{"response_put":{"header":{"revision":"\#(revision)"}}}]}"#
    }

    static func removed(_ revision: Int) -> String {
        #"{\#(header(revision)),"succeeded":true,"responses":[{"response_delete_range":{"#
            + #""header":{"revision":"\#(revision)"},"deleted":"1"}}]}"#
    }

    static func conflict(_ value64: String, _ revision: Int) -> String {
        #"{\#(header(revision)),"responses":[{"response_range":{"header":{"revision":"\#(revision)"},"#
            + #""kvs":[\#(pair(value64, revision))],"count":"1"}}]}"#
    }

    static let conflictAbsent =
        #"{\#(header(3)),"responses":[{"response_range":{"header":{"revision":"3"}}}]}"#

    static func created(_ revision: Int) -> String { #"{"result":{\#(header(revision)),"created":true}}"# + "\n" }

    static func put(_ value64: String, _ revision: Int) -> String {
        #"{"result":{\#(header(revision)),"events":[{"kv":\#(pair(value64, revision))}]}}"# + "\n"
    }

    static func deleted(_ revision: Int) -> String {
        #"{"result":{\#(header(revision)),"events":[{"type":"DELETE","kv":{"key":"\#(key64)","mod_revision":"\#(revision)"}}]}}"#
            + "\n"
    }

    static let compacted =
        #"{"result":{"header":{"cluster_id":"15875391935852295136"},"canceled":true,"compact_revision":"3"}}"# + "\n"

    static let refusedWatch =
        #"{"result":{\#(header(3)),"watch_id":"-1","created":true,"canceled":true,"#
        + #""cancel_reason":"rpc error: code = PermissionDenied desc = etcdserver: permission denied"}}"# + "\n"

    static let stopping =
        #"{"error":{"grpc_code":13,"http_code":500,"message":"server stopped","http_status":"Internal Server Error"}}"#
        + "\n"

    static func problem(_ text: String, _ code: Int) -> String {
        #"{"error":"\#(text)","message":"\#(text)","code":\#(code)}"#
    }

    static func value(_ text: String, _ revision: Int64) -> StoredValue {
        StoredValue(bytes: Array(text.utf8), revision: StoreRevision(etcd: revision))
    }
}
