// What graphql-codegen's client preset makes of a query with a fragment; tsc finds the types of both.
import { graphql, useFragment as masked } from './generated/index.js';

export const Measured = graphql(`
  fragment Measured on Metric {
    itemName
    totalTime
    passed
    session {
      hash
      tags {
        name
        value
      }
    }
  }
`);

export const Latest = graphql(`
  query Latest($count: Int!, $where: MetricWhere) {
    metrics(last: $count, where: $where) {
      totalCount
      nodes {
        id
        ...Measured
      }
    }
  }
`);

export const Record = graphql(`
  mutation Record($input: MetricInput!) {
    recordMetric(input: $input) {
      metric {
        ...Measured
      }
      userErrors {
        message
      }
    }
  }
`);

type Result<Document> = Document extends { __apiType?: (variables: never) => infer R } ? R : never;

export function names(answer: Result<typeof Latest>): string[] {
  return answer.metrics.nodes.map((node) => masked(Measured, node).itemName satisfies string);
}

// @ts-expect-error: there is no such field
export type Unknown = Result<typeof Latest>['metrics']['nothing'];
