"""What schemathesis can't know of this server by itself."""
import schemathesis
from hypothesis import strategies as st
from hypothesis_graphql import nodes
from schemathesis.specs.graphql import validation

schemathesis.graphql.scalar("LocalDateTime", st.datetimes().map(lambda moment: nodes.String(moment.isoformat())))
schemathesis.graphql.scalar("Tags", st.just(nodes.Object([])))

# A page that is not there, and asking for more than a limit allows, are the client's mistakes; the codes known there are those of other
# servers.
validation.CLIENT_ERROR_MARKERS |= {"NOT_FOUND", "LIMIT_EXCEEDED"}
