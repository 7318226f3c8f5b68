// Grafana's classic dashboard as our files use it, put together from the types that Grafana generates out of its own
// schemas. The generated type of a panel leaves open what belongs to its plug-in; here each kind of panel has the
// options of its own plug-in, and each query, link, transformation and override its own type. What Grafana allows and we
// do not use is missing: a panel of another kind needs a line here.
//
// Wherever a member has one of several types, told apart by another member, the types are apart here as well, by name:
// the compiler looks for unknown members inside of a choice only as far as any of its sides has them.
import type { DataLink } from "@grafana/data/dist/types/types/dataLink";
import type { MergeTransformerOptions } from "@grafana/data/dist/types/transformations/transformers/merge";
import type { OrganizeFieldsTransformerOptions } from "@grafana/data/dist/types/transformations/transformers/organize";
import type { ReducerID } from "@grafana/data/dist/types/transformations/fieldReducer";
import type { Prometheus } from "@grafana/prometheus/dist/types/dataquery";
import type { StandardPromVariableQuery } from "@grafana/prometheus/dist/types/types";
import type * as raw from "@grafana/schema/dist/types/raw/dashboard/x/dashboard_types.gen";
import type * as bargauge from "@grafana/schema/dist/types/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen";
import type * as stat from "@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as timeline from "@grafana/schema/dist/types/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen";
import type * as table from "@grafana/schema/dist/types/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type * as timeseries from "@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";
import type { UnitId } from "./units";

// The same type with the values that stand in JSON in place of enums' members, all the way down.
type Plain<T> = unknown extends T
  ? T
  : T extends string
    ? `${T}`
    : T extends number
      ? `${T}` extends `${infer Value extends number}` ? Value : never
      : T extends object
        ? { [Key in keyof T]: Plain<T[Key]> }
        : T;

// `calcs` are names of reducers and not any text, wherever they stand.
type Reduced<T> = T extends object
  ? { [Key in keyof T]: Key extends "calcs" ? ReducerID[] : Reduced<T[Key]> }
  : T;

interface Options {
  bargauge: bargauge.Options;
  stat: stat.Options;
  "state-timeline": timeline.Options;
  table: table.Options;
  timeseries: timeseries.Options;
}

interface Custom {
  bargauge: {};
  stat: {};
  "state-timeline": timeline.FieldConfig;
  table: table.FieldConfig;
  timeseries: timeseries.FieldConfig;
}

type Kind = keyof Options;

type Field<K extends Kind> = Omit<raw.FieldConfig, "custom" | "links" | "mappings" | "unit"> & {
  custom?: Custom[K];
  links?: DataLink[];
  mappings?: never[];
  unit: UnitId;
};

type Query = Omit<Prometheus, "datasource"> & { datasource: raw.DataSourceRef; interval?: string };

// A panel without its mappings, overrides' values and transformations, which stand apart.
export type Panel<K extends Kind> = Plain<
  Omit<raw.Panel, "type" | "options" | "fieldConfig" | "targets" | "transformations"> & {
    type: K;
    options: Reduced<Options[K]>;
    fieldConfig: {
      defaults: Field<K>;
      overrides: Array<{ matcher: { id: "byName"; options: string }; properties: never[] }>;
    };
    targets: Query[];
    transformations: never[];
  }
>;

// What an override sets to: a field's setting, or one that its panel's plug-in adds.
type Settings<K extends Kind> = Required<Omit<Field<K>, "custom" | "mappings">> & {
  [Key in keyof Custom[K] & string as `custom.${Key}`]-?: Custom[K][Key];
};
export type Property<K extends Kind, Id extends keyof Settings<K>> = Plain<{ id: Id; value: Settings<K>[Id] }>;

interface Mappings {
  range: raw.RangeMap;
  regex: raw.RegexMap;
  special: raw.SpecialValueMap;
  value: raw.ValueMap;
}
export type Mapping<Type extends keyof Mappings> = Plain<Mappings[Type]>;

interface Transformations {
  merge: MergeTransformerOptions;
  organize: OrganizeFieldsTransformerOptions;
}
export type Transformation<Id extends keyof Transformations> = Plain<
  Omit<raw.DataTransformerConfig, "id" | "options"> & { id: Id; options: Transformations[Id] }
>;

interface Sources {
  custom: string;
  datasource: "prometheus";
  query: StandardPromVariableQuery;
}
export type Variable<Type extends keyof Sources> = Plain<
  Omit<raw.VariableModel, "type" | "query"> & { type: Type; query: Sources[Type] }
>;

// The last four are Prometheus' own: its plug-in reads them off an annotation that has no type for them.
export type Annotation = Plain<
  Omit<raw.AnnotationQuery, "target"> & {
    target: Query;
    useValueForTime?: boolean;
    titleFormat?: string;
    textFormat?: string;
    tagKeys?: string;
  }
>;

// What is left of a dashboard.
export type Dashboard = Plain<
  Omit<raw.Dashboard, "panels" | "templating" | "annotations"> & {
    panels: never[];
    templating: { list: never[] };
    annotations: { list: never[] };
  }
>;
