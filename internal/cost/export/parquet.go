package export

import (
	"fmt"
	"io"
	"math/big"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/history"
)

// amount is a decimal of 38 digits with twelve places, as two's complement with the highest byte first.
type amount [16]byte

// record is a row in Parquet. Its fields are Columns, in their order.
type record struct {
	BilledCost               amount    `parquet:"BilledCost,decimal(12:38)"`
	EffectiveCost            amount    `parquet:"EffectiveCost,decimal(12:38)"`
	ListCost                 amount    `parquet:"ListCost,decimal(12:38)"`
	ContractedCost           amount    `parquet:"ContractedCost,decimal(12:38)"`
	PricingQuantity          *amount   `parquet:"PricingQuantity,decimal(12:38)"`
	BillingPeriodStart       time.Time `parquet:"BillingPeriodStart,timestamp(microsecond)"`
	BillingPeriodEnd         time.Time `parquet:"BillingPeriodEnd,timestamp(microsecond)"`
	ChargePeriodStart        time.Time `parquet:"ChargePeriodStart,timestamp(microsecond)"`
	ChargePeriodEnd          time.Time `parquet:"ChargePeriodEnd,timestamp(microsecond)"`
	BillingAccountID         *string   `parquet:"BillingAccountId,dict"`
	BillingAccountName       *string   `parquet:"BillingAccountName,dict"`
	BillingCurrency          *string   `parquet:"BillingCurrency,dict"`
	ChargeCategory           *string   `parquet:"ChargeCategory,dict"`
	ChargeClass              *string   `parquet:"ChargeClass,dict"`
	ChargeDescription        *string   `parquet:"ChargeDescription,dict"`
	HostProviderName         *string   `parquet:"HostProviderName,dict"`
	ServiceProviderName      *string   `parquet:"ServiceProviderName,dict"`
	InvoiceIssuerName        *string   `parquet:"InvoiceIssuerName,dict"`
	ServiceCategory          *string   `parquet:"ServiceCategory,dict"`
	ServiceName              *string   `parquet:"ServiceName,dict"`
	PricingUnit              *string   `parquet:"PricingUnit,dict"`
	Tags                     *string   `parquet:"Tags,dict"`
	ResourceID               *string   `parquet:"ResourceId,dict"`
	SubAccountID             *string   `parquet:"SubAccountId,dict"`
	CommitmentDiscountID     *string   `parquet:"CommitmentDiscountId,dict"`
	CommitmentDiscountStatus *string   `parquet:"CommitmentDiscountStatus,dict"`
	AllocatedMethodID        *string   `parquet:"AllocatedMethodId,dict"`
	AllocatedMethodDetails   *string   `parquet:"AllocatedMethodDetails"`
	AllocatedResourceID      *string   `parquet:"AllocatedResourceId,dict"`
	AllocatedResourceName    *string   `parquet:"AllocatedResourceName,dict"`
	Provisional              *string   `parquet:"x_Provisional,dict"`
}

// groupRows is how many rows are in memory until they are written.
const groupRows = 50_000

type parquetWriter struct {
	out     *parquet.GenericWriter[record]
	pending int
}

// NewParquet writes Parquet, packed by Snappy. Its columns are those of the CSV, with types.
func NewParquet(out io.Writer) (Writer, error) {
	return &parquetWriter{out: parquet.NewGenericWriter[record](out, parquet.Compression(&parquet.Snappy))}, nil
}

func (w *parquetWriter) Write(rows []Row) error {
	records := make([]record, 0, len(rows))
	for i := range rows {
		made, err := recordOf(&rows[i])
		if err != nil {
			return err
		}
		records = append(records, made)
	}
	if _, err := w.out.Write(records); err != nil {
		return fmt.Errorf("writing Parquet: %w", err)
	}
	if w.pending += len(records); w.pending >= groupRows {
		w.pending = 0
		if err := w.out.Flush(); err != nil {
			return fmt.Errorf("writing Parquet: %w", err)
		}
	}
	return nil
}

func (w *parquetWriter) Close() error { return w.out.Close() }

func recordOf(r *Row) (record, error) {
	f, err := r.fields()
	if err != nil {
		return record{}, err
	}
	billed, effective := amountOf(r.Billed), amountOf(r.Effective)
	return record{
		BilledCost: billed, EffectiveCost: effective, ListCost: effective, ContractedCost: effective,
		BillingPeriodStart: r.BillingFrom.Time(), BillingPeriodEnd: r.BillingTo.Time(), ChargePeriodStart: r.From.Time(), ChargePeriodEnd: r.To.Time(),
		BillingAccountID: f["BillingAccountId"], BillingAccountName: f["BillingAccountName"], BillingCurrency: f["BillingCurrency"],
		ChargeCategory: f["ChargeCategory"], ChargeClass: f["ChargeClass"], ChargeDescription: f["ChargeDescription"],
		HostProviderName: f["HostProviderName"], ServiceProviderName: f["ServiceProviderName"], InvoiceIssuerName: f["InvoiceIssuerName"],
		ServiceCategory: f["ServiceCategory"], ServiceName: f["ServiceName"], PricingUnit: f["PricingUnit"],
		Tags: f["Tags"], ResourceID: f["ResourceId"], SubAccountID: f["SubAccountId"],
		CommitmentDiscountID: f["CommitmentDiscountId"], CommitmentDiscountStatus: f["CommitmentDiscountStatus"],
		AllocatedMethodID: f["AllocatedMethodId"], AllocatedMethodDetails: f["AllocatedMethodDetails"],
		AllocatedResourceID: f["AllocatedResourceId"], AllocatedResourceName: f["AllocatedResourceName"], Provisional: f["x_Provisional"],
	}, nil
}

// amountOf is an amount with the places that the history has. What is finer it does not keep.
func amountOf(d decimal.Decimal) amount {
	n := d.RoundBank(history.Places).Shift(history.Places).BigInt()
	if n.Sign() < 0 {
		n = n.Add(n, new(big.Int).Lsh(big.NewInt(1), 128))
	}
	var a amount
	n.FillBytes(a[:])
	return a
}
